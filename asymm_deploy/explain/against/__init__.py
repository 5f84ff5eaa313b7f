"""Two explanations side by side: which operator is which, and what grew; pure."""
