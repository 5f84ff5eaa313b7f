"""What torch's exporter needs beside the module that it traces."""
