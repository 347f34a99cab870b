"""The small models that ship with the package, trained by this project on its own drawn world."""
