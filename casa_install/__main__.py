"""`python -m casa_install` is the same as `casa-install`."""

from casa_install.cli import main

main()
