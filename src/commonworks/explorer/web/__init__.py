"""What every page and every answer of the explorer shares: context, forms of values, errors."""
