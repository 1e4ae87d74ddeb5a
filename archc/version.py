"""What is installed: archc's version, and the distribution's name on the index, where `archc` is another project's."""

VERSION = "0.1.0"
DISTRIBUTION = "archc-compiler"
