"""The only place where roles meet adapters and resources are discovered."""
