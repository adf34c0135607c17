"""What `bench feed` is made of: a world of people, who calls, who watches, and what is counted anew."""
