"""Charts as Vega-Lite specifications, plain dicts; one module per chart, and `render` draws them."""
