"""What a person does with a facility, done by a real browser: log in, work in JupyterLab, log out."""
