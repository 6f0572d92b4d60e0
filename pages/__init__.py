"""Generate pages in docs/ and files in template/ from the code: `python -m pages`.

Most modules are named after the page or file that they generate. `examples` contains the example values,
`example_calls` the connectors' calls with these values, and `properties` the properties that the tests
prove. The tests use them too, and check that each file is up to date.
"""

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent
