"""How large the HTML reports are, and how long a browser takes to open them."""
