"""Makes the modules beside this file importable: the builders that many tests share."""
