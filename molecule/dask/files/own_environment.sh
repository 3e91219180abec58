#!/bin/sh
# As a user, in a login: an own environment on top of the shared one, whose package the workers get.
set -eu
name=proof
/opt/casa/env/current/bin/casa-own-packages make "$name" > /dev/null
/opt/casa/env/current/bin/casa-own-packages install "$name" "$1" > /dev/null
"$HOME/.local/share/casa/environments/$name/bin/python" "$2/own_package.py"
/opt/casa/env/current/bin/casa-own-packages remove "$name"
