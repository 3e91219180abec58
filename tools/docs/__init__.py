"""Writes the pages and the example inventory that follow from the roles' argument specs."""
