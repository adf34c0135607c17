"""What is not to be shown: rules, reports, and who decides."""
