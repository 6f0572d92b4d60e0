"""Read the models of the services that scripts call, when it is imported."""

from functools import cache

import botocore.loaders
import botocore.session

from sandbox.environment import REGION

botocore.session.create_loader = cache(botocore.loaders.create_loader)
for _service in ("iam", "qbusiness", "sts"):
    botocore.session.get_session().create_client(_service, region_name=REGION)
