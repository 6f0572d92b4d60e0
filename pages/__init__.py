"""`python -m pages` generates pages in docs/, files in template/, and the settings in Pulumi.yaml.

The contents come from the code. Some modules are named after the page or file that they generate.
`examples` contains the example values; `example_calls` contains the connectors' calls with these values.
The tests also use these two modules, and check that each generated file is up to date.
"""

from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent
