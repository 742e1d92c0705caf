"""REST, websocket and the page, behind one security layer."""
