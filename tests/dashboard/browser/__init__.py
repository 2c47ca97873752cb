"""The pages in a real browser: Debian's Chromium, driven by Playwright, with no access to any network.

`chromium` starts the browser, `visit` is one window that records faults, `accessibility` runs axe-core in it.
"""
