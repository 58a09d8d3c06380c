"""What a resource is, and one folder per built-in resource. Nothing imports a resource by name."""
