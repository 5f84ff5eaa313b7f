"""A results folder as one HTML file: pictures, tables, and the data that they were made from."""
