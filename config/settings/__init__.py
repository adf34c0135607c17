"""Settings: what an operator sets in the environment or in `.env`, checked at the start and all at once.

`fields.py` the node's own, with what each means · `sections.py` those made from the limits · `forms.py` how single
values are written · `rules.py` what must hold between them · `texts.py` how they are told · `settings.py` all of it,
read.

A name that begins with GREENROOM_ and is no setting stops the start: a typo fails at boot, not at 3 a.m. Names that
begin with GREENROOM_TEST_ belong to the test suite and are passed over.
"""

from greenroom.config.settings.forms import OWN_PATHS
from greenroom.config.settings.sections import SECTIONS
from greenroom.config.settings.settings import Settings, load_settings, settings_table
from greenroom.config.settings.texts import SettingsError

__all__ = ["OWN_PATHS", "SECTIONS", "Settings", "SettingsError", "load_settings", "settings_table"]
