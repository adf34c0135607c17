"""Views: tables that follow the events of many entities. What a view's class says, and what folding it decides."""
