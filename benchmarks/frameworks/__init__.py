"""What the plug-ins for other frameworks can do, measured."""
