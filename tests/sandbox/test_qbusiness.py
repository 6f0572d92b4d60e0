"""Tests `sandbox/qbusiness.py`, the stand-in for Amazon Q Business, without a server."""

import json
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from pages.examples import ACCOUNT, APPLICATION_ID, INDEX_ID, REGION
from sandbox.qbusiness import QBusiness, QBusinessError

OTHER_INDEX = f"d{INDEX_ID[1:]}"
FIRST, SECOND = (f"c3d4e5f6-7890-12ab-cdef-{digit * 12}" for digit in "12")
APPLICATION = f"/applications/{APPLICATION_ID}"
INDEX = f"{APPLICATION}/indices/{INDEX_ID}"
SOURCES = f"{INDEX}/datasources"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pages"
GIVEN = {"displayName": "Pages", "configuration": {"type": "AEM"}}


@pytest.fixture
def qbusiness() -> QBusiness:
    """Return a stand-in with two indexes in an application, and two data sources in the first index."""
    made = QBusiness(ACCOUNT, REGION, reject_other_roles)
    made.add(APPLICATION_ID, displayName="Docs")
    for index in (INDEX_ID, OTHER_INDEX):
        made.add(APPLICATION_ID, index, displayName="Main")
    for name in (SECOND, FIRST):
        made.add(APPLICATION_ID, INDEX_ID, name, **GIVEN, type="AEM", description="by hand")
    return made


def reject_other_roles(arn: str) -> None:
    if arn != ROLE:
        raise QBusinessError("AccessDeniedException", "another role")


def ask(qbusiness: QBusiness, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
    """Send a request; return the status and the content of the response."""
    data = body if isinstance(body, str) else json.dumps(body) if body is not None else None
    answer = qbusiness.answer(Request(EnvironBuilder(path=path, method=method, data=data).get_environ()))
    return answer.status_code, json.loads(answer.get_data())


def listed(answer: tuple[int, dict[str, Any]]) -> list[str]:
    assert answer[0] == 200
    return [source["dataSourceId"] for source in answer[1]["dataSources"]]


@pytest.mark.parametrize(
    ("count", "query", "sizes"),
    [(10, "", [10]), (11, "", [10, 1]), (3, "?maxResults=2", [2, 1]), (0, "", [0])],
)
def test_last_page_of_a_list_has_no_token(count: int, query: str, sizes: list[int]):
    qbusiness = QBusiness(ACCOUNT, REGION)
    identifiers = [f"a1b2c3d4-5678-90ab-cdef-{number:012}" for number in reversed(range(count))]
    for identifier in identifiers:
        qbusiness.add(identifier, displayName="Docs")
    found: list[str] = []
    more = ""
    for last, size in enumerate(sizes, 1 - len(sizes)):
        status, answer = ask(qbusiness, "GET", f"/applications{query}{more}")
        assert (status, len(answer["applications"])) == (200, size)
        assert ("nextToken" not in answer) == (last == 0)
        more = f"{'&' if query else '?'}nextToken={answer.get('nextToken')}"
        found += [each["applicationId"] for each in answer["applications"]]
    assert found == identifiers


def test_error_reports_first_missing_resource(qbusiness: QBusiness):
    missing = "0" * 36
    no_application = f"/applications/{missing}/indices/{missing}/datasources"
    no_index = f"{APPLICATION}/indices/{missing}/datasources"
    for method, path, kind in (
        ("GET", no_application, "application"),
        ("GET", f"{no_application}/{missing}", "application"),
        ("GET", no_index, "index"),
        ("DELETE", f"{no_index}/{missing}", "index"),
        ("PUT", f"{SOURCES}/{missing}", "data-source"),
        ("GET", f"{SOURCES}/{missing}/syncjobs", "data-source"),
        ("GET", f"/applications/{missing}/indices", "application"),
    ):
        given = GIVEN if "datasources" in path else {"displayName": "New"}
        status, answer = ask(qbusiness, method, path, given if method[0] == "P" else None)
        found = (status, answer.get("resourceType"), answer.get("resourceId"))
        assert found == (404, kind, missing), path


def test_list_has_only_direct_children_in_order_of_creation(qbusiness: QBusiness):
    assert listed(ask(qbusiness, "GET", SOURCES)) == [SECOND, FIRST]
    assert listed(ask(qbusiness, "GET", f"{APPLICATION}/indices/{OTHER_INDEX}/datasources")) == []
    _, indices = ask(qbusiness, "GET", f"{APPLICATION}/indices")
    assert [index["indexId"] for index in indices["indices"]] == [INDEX_ID, OTHER_INDEX]


def test_deletion_removes_only_a_data_source_and_its_jobs(qbusiness: QBusiness):
    jobs = [{"executionId": digit * 36, "status": "FAILED"} for digit in "21"]
    qbusiness.sync_jobs[APPLICATION_ID, INDEX_ID, FIRST] = jobs
    assert ask(qbusiness, "GET", f"{SOURCES}/{FIRST}/syncjobs") == (200, {"history": jobs})
    assert ask(qbusiness, "DELETE", f"{SOURCES}/{FIRST}") == (200, {})
    assert listed(ask(qbusiness, "GET", SOURCES)) == [SECOND]
    qbusiness.add(APPLICATION_ID, INDEX_ID, FIRST, **GIVEN)
    assert ask(qbusiness, "GET", f"{SOURCES}/{FIRST}/syncjobs") == (200, {"history": []})


def test_created_data_sources_have_an_arn_and_a_status(qbusiness: QBusiness):
    given = {**GIVEN, "clientToken": "t" * 36, "roleArn": ROLE}
    _, made = ask(qbusiness, "POST", SOURCES, given)
    arn = f"arn:aws:qbusiness:{REGION}:{ACCOUNT}:application/{APPLICATION_ID}"
    assert made["dataSourceArn"] == f"{arn}/index/{INDEX_ID}/data-source/{made['dataSourceId']}"
    _, found = ask(qbusiness, "GET", f"{SOURCES}/{made['dataSourceId']}")
    assert (found["type"], found["status"], found["roleArn"]) == ("AEM", "ACTIVE", ROLE)
    assert "clientToken" not in qbusiness.resources[APPLICATION_ID, INDEX_ID, made["dataSourceId"]]
    _, made = ask(qbusiness, "POST", SOURCES, {**GIVEN, "configuration": {}})
    assert ask(qbusiness, "GET", f"{SOURCES}/{made['dataSourceId']}")[1]["type"] == "CUSTOM"


@pytest.mark.parametrize(("keeps_omitted", "description"), [(True, "by hand"), (False, None)])
def test_update_can_keep_or_remove_omitted_properties(
    qbusiness: QBusiness, keeps_omitted: bool, description: str | None
):
    qbusiness.keeps_omitted = keeps_omitted
    given = {"configuration": {"type": "S3V2"}, "roleArn": ROLE}
    assert ask(qbusiness, "PUT", f"{SOURCES}/{FIRST}", given) == (200, {})
    _, found = ask(qbusiness, "GET", f"{SOURCES}/{FIRST}")
    assert (found["type"], found["roleArn"], found["indexId"]) == ("S3V2", ROLE, INDEX_ID)
    assert found.get("description") == description
    assert ask(qbusiness, "GET", f"{SOURCES}/{SECOND}")[1]["type"] == "AEM"


def test_call_with_unusable_role_changes_nothing(qbusiness: QBusiness):
    before = {path: {**entries} for path, entries in qbusiness.resources.items()}
    for method, path in (("POST", SOURCES), ("PUT", f"{SOURCES}/{FIRST}")):
        status, answer = ask(qbusiness, method, path, {**GIVEN, "roleArn": f"{ROLE}x"})
        assert (status, answer) == (403, {"message": "another role"})
    assert qbusiness.resources == before


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("POST", SOURCES, "no JSON", "CANNOT_PARSE"),
        ("POST", SOURCES, {"displayName": "Pages"}, "FIELD_VALIDATION_FAILED"),
        ("POST", SOURCES, {**GIVEN, "displayName": "two words"}, "FIELD_VALIDATION_FAILED"),
        ("POST", SOURCES, {**GIVEN, "vpcConfiguration": {"subnetIds": []}}, "FIELD_VALIDATION_FAILED"),
        ("GET", f"{APPLICATION}/indices/short/datasources", None, "FIELD_VALIDATION_FAILED"),
        ("GET", f"{SOURCES}?maxResults=many", None, "FIELD_VALIDATION_FAILED"),
        ("PATCH", SOURCES, {}, "UNKNOWN_OPERATION"),
        ("GET", f"{APPLICATION}/plugins", None, "UNKNOWN_OPERATION"),
    ],
)
def test_invalid_call_is_rejected_with_its_reason(
    qbusiness: QBusiness, method: str, path: str, body: object, reason: str
):
    status, answer = ask(qbusiness, method, path, body)
    assert (status, answer["reason"]) == (400, reason)
