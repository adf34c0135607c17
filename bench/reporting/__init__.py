"""What becomes of answers: medians, comparisons with peers, sweeps, tables, drawings."""
