"""`python -m greenroom.config.reference`: write the pages anew, and say which."""

from greenroom.config.reference.pages import FOLDER, PAGES

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(FOLDER / name)
