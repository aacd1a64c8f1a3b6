"""The daemon: one door (server), its protocol (session), one function a request (handlers), and the wiring (app)."""
