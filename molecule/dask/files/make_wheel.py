"""Make a wheel of one module in the folder that is the argument, and print its path."""

import sys
import zipfile
from pathlib import Path

NAME = "casa_proof_package"
INFO = f"{NAME}-1.0.dist-info"
FILES = {
    f"{NAME}.py": "def answer():\n    return 42\n",
    f"{INFO}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
path = Path(sys.argv[1]) / f"{NAME}-1.0-py3-none-any.whl"
with zipfile.ZipFile(path, "w") as wheel:
    for name, text in FILES.items():
        wheel.writestr(name, text)
    wheel.writestr(f"{INFO}/RECORD", "".join(f"{name},,\n" for name in (*FILES, f"{INFO}/RECORD")))
print(path)
