"""Read the models of the services that scripts call, when this module is imported."""

import botocore.session

from sandbox.environment import REGION
from tests.helpers import botocore_caches

botocore_caches.install()
for _service in ("iam", "qbusiness", "sts"):
    botocore.session.get_session().create_client(_service, region_name=REGION)
