"""Desired state: a role's body as data.

`document` reads `roles/<role>/state.yml`, `render` makes typed resources of it for one host, `probe` asks
the host, `answer` reads what it says, `compare` tells what differs, `batch` says what to do about it. Nothing
here imports Ansible; Jinja enters only through the `Renderer` that the caller lends.
"""
