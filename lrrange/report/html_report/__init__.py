"""Results as one HTML file that works offline: the answer in words, and charts to zoom and to read values from."""
