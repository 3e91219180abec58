"""Make a host's certificate with the lab's CA. Arguments: the federation's directory, the host's full
name.
"""

import sys
from pathlib import Path

from casa_install.lab.federation import Federation

directory, name = sys.argv[1:]
made = Federation(Path(directory), [name.partition(".")[2]]).certificate_for(name)
print(made.certificate + made.key)
