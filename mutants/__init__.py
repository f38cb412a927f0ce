"""A mutation tester: changes one thing in the package at a time, and tells which changes no test notices."""
