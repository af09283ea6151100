"""The live viewer: robots in the browser, driven, pushed and changed while they walk."""
