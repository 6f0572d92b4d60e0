# ruff: noqa: E501 a table is read by its columns
"""Plant faults that users would encounter, one at a time, and check that a test finds each of them.

Each fault includes the cheapest test that finds it. Run this after you rewrite or remove tests:
`python -m tests.helpers.faults_planted [PATTERN...]` tries the faults whose name, file, or test contains one
of the patterns, by default all faults. The faults are planted in a copy of the tracked files, never
here.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from sandbox.environment import PROJECT

LINKED: Final = ("venv", "tests/node_modules", ".sandbox/engine")
"""The packages and programs that the copy shares with this checkout."""
TESTS_FAILED: Final = 1
"""Pytest's exit code; others mean that there is no such test, or that it was not run."""


class Fault(NamedTuple):
    """A fault: a replaced part of a file."""

    name: str
    file: str
    before: str
    """The replaced text, which occurs once in the file."""
    after: str
    test: str
    """The node ID of the test that finds the fault."""


FAULTS: Final = (
    # The program.
    Fault(
        "the ARN resolves before the policy exists",
        "components/connector_role.py",
        "policy.id.apply(lambda _: pulumi.Output.unsecret(role.arn))",
        "pulumi.Output.unsecret(role.arn)",
        "tests/components/test_component.py::test_the_arn_depends_on_the_policy",
    ),
    Fault(
        "a replaced role loses its policy first",
        "components/connector_role.py",
        "delete_before_replace=False",
        "delete_before_replace=True",
        "tests/components/test_component.py::test_the_policy_is_replaced_after_its_new_role_exists",
    ),
    Fault(
        "the caller of one provider serves all",
        "components/connector_role.py",
        "self.get_provider(_GET_CALLER_IDENTITY) or pulumi.runtime.get_root_resource()",
        "pulumi.runtime.get_root_resource()",
        "tests/components/test_component.py::test_the_caller_is_looked_up_once_for_each_provider",
    ),
    Fault(
        "the account is that of the default provider",
        "components/connector_role.py",
        "pulumi.InvokeOptions(parent=self)",
        "pulumi.InvokeOptions()",
        "tests/components/test_component.py::test_the_children_and_the_invokes_use_the_component_s_provider",
    ),
    Fault(
        "secret tags in tagsAll",
        "components/connector_role.py",
        '["inlinePolicies", "tagsAll"]',
        '["inlinePolicies"]',
        "tests/components/test_component.py::test_values_that_the_provider_repeats_are_secret_if_a_setting_may_be",
    ),
    Fault(
        "a secret setting hides the trust policy from whoever approves a preview",
        "components/connector_role.py",
        "found = pulumi.Output.unsecret(",
        "found = pulumi.Output.from_input(",
        "tests/components/test_component.py::test_a_secret_makes_only_the_policies_that_contain_it_secret",
    ),
    Fault(
        "a secret setting is plain in the state",
        "components/connector_role.py",
        "pulumi.Output.secret(arguments[key])",
        "arguments[key]",
        "tests/components/test_configuration.py::test_a_secret_key_makes_only_the_values_that_contain_it_secret",
    ),
    Fault(
        "a blank role name is passed to the provider",
        "components/connector_role.py",
        "_none_if_blank(arguments.get(setting.name))",
        "arguments.get(setting.name)",
        "tests/components/test_component.py::test_an_unset_or_blank_setting_is_not_an_input_of_the_role",
    ),
    Fault(
        "an imported role loses its policies before it has the new one",
        "components/connector_role.py",
        "depends_on=[policy]",
        "depends_on=[]",
        "tests/components/test_component.py::test_with_exclusive_policies_the_stack_owns_all_policies_of_the_role",
    ),
    Fault(
        "nothing warns before a role loses its other policies",
        "components/connector_role.py",
        "on_dry_run=True",
        "on_dry_run=False",
        "tests/plugin/test_package.py::test_a_yaml_program_deploys_roles_and_a_value_is_validated_once_it_is_known",
    ),
    Fault(
        "the stack owns a policy that does not exist yet",
        "components/connector_role.py",
        "policy_names=[policy.name]",
        "policy_names=[POLICY_NAME]",
        "tests/components/test_component.py::test_with_exclusive_policies_the_stack_owns_all_policies_of_the_role",
    ),
    Fault(
        "an upgrade replaces the policy of every role",
        "components/connector_role.py",
        'POLICY_NAME: Final = "qbusiness-aem-connector"',
        'POLICY_NAME: Final = "qbusiness-connector"',
        "tests/components/test_component.py::test_the_inputs_of_role_and_policy_are_the_documents_and_the_settings",
    ),
    Fault(
        "a warning is shown twice",
        "components/connector_role.py",
        "arguments.warnings.clear()",
        "pass",
        "tests/components/test_configuration.py::test_without_allowed_accounts_the_program_warns_and_shows_the_commands",
    ),
    Fault(
        "a provider that another resource configures fails the preview",
        "components/connector_role.py",
        'cast("str", pulumi.UNKNOWN) if value is None else value',
        "value",
        "tests/components/test_component.py::test_in_a_preview_a_provider_that_is_not_configured_yet_gives_unknown_documents",
    ),
    Fault(
        "a common tag wins over an entry's",
        "components/data_sources.py",
        '{**as_mapping(top["tags"]), **own_tags}',
        '{**own_tags, **as_mapping(top["tags"])}',
        "tests/components/test_data_sources.py::test_a_member_gets_the_defaults_for_the_settings_that_it_omits",
    ),
    Fault(
        "two entries get one role name",
        "components/data_sources.py",
        "owners.setdefault(role_name.lower(), name)",
        "owners.setdefault(role_name, name)",
        "tests/components/test_data_sources.py::test_the_messages_about_a_stack_are_the_expected_ones",
    ),
    Fault(
        "a connector without a VPC gets the network statements of the default",
        "components/data_sources.py",
        'if name == "vpc_configuration" and not _may_use_vpc',
        'if name == "" and not _may_use_vpc',
        "tests/components/test_data_sources.py::test_a_default_vpc_applies_to_connectors_that_support_one_and_the_others_are_named",
    ),
    Fault(
        "the configuration exceeds an environment variable",
        "components/data_sources.py",
        "100 * 1024",
        "1000 * 1024",
        "tests/components/test_data_sources.py::test_the_number_of_members_and_the_size_of_the_configuration_are_limited",
    ),
    Fault(
        "the protection of one entry is lost",
        "components/connector_role.py",
        "if arguments.protect:",
        "if False:",
        "tests/components/test_data_sources.py::test_protect_applies_to_all_members_or_to_one",
    ),
    Fault(
        "a misspelled key has no effect",
        "components/stack_config.py",
        "_reject_unknown_keys(config.name, prefix, arguments)",
        "pass",
        "tests/components/test_configuration.py::test_a_misspelled_key_is_rejected_with_the_nearest_one",
    ),
    Fault(
        "a printed command names a stack of another organization",
        "components/commands.py",
        'return f"{organization}/{name}"',
        "return name",
        "tests/components/test_configuration.py::test_a_command_names_the_stack_with_its_organization_in_pulumi_cloud",
    ),
    Fault(
        "a printed command sets a secret as plain text",
        "components/commands.py",
        "    if secret:\n",
        "    if False:\n",
        "tests/components/test_messages.py::test_the_command_sets_a_secret_as_a_secret_and_shows_none_of_its_keys",
    ),
    Fault(
        "a printed command keeps the text of a boolean",
        "components/commands.py",
        'first = f"{remove_command(path)} && "',
        'first = ""',
        "tests/components/test_data_sources.py::test_the_messages_about_a_stack_are_the_expected_ones",
    ),
    Fault(
        "nobody hears that the list of accounts is missing",
        "components/default_provider.py",
        "arguments.warnings.append(_missing_list(set_first(), arguments))",
        "pass",
        "tests/components/test_configuration.py::test_without_allowed_accounts_the_program_warns_and_shows_the_commands",
    ),
    Fault(
        "a list of accounts that Pulumi wrote as numbers is rejected",
        "components/default_provider.py",
        "account in map(str, accounts)",
        "account in accounts",
        "tests/components/test_configuration.py::test_a_list_with_the_application_s_account_is_accepted",
    ),
    Fault(
        "a tag clashes with a default tag in the middle of an update",
        "components/default_provider.py",
        "key.lower(): key for key in defaults",
        "key: key for key in defaults",
        "tests/components/test_data_sources.py::test_the_messages_about_a_stack_are_the_expected_ones",
    ),
    Fault(
        "a bucket name with two periods",
        "components/formats.py",
        r'r"(?!.*\.\.)"',
        'r""',
        "tests/components/test_settings.py::test_an_invalid_setting_is_reported_once_by_name",
    ),
    Fault(
        "a wildcard in the name of a secret",
        "components/formats.py",
        "[A-Za-z0-9/_+=.@-]{1,512}-",
        "[A-Za-z0-9/_+=.@*-]{1,512}-",
        "tests/components/test_settings.py::test_no_identifier_accepts_a_character_that_could_widen_a_policy",
    ),
    Fault(
        "a placeholder of a printed command is accepted",
        "components/formats.py",
        "is_placeholder = value == self.placeholder",
        "is_placeholder = False",
        "tests/components/test_settings.py::test_a_placeholder_is_rejected_with_the_expected_value",
    ),
    Fault(
        "a secret leaks in a message",
        "components/arguments.py",
        "return HIDDEN if self.secret else quote(value)",
        "return quote(value)",
        "tests/components/test_messages.py::test_a_secret_is_never_shown",
    ),
    Fault(
        "a value forges a line of a message",
        "components/commands.py",
        'r"[^ -~]"',
        r'r"[^ -~\n]"',
        "tests/components/test_settings.py::test_no_value_can_forge_a_line_of_the_message",
    ),
    Fault(
        "an ARN of another Region",
        "components/rules.py",
        'for part in ("partition", "region", "account"):',
        'for part in ("partition", "account"):',
        "tests/components/test_messages.py::test_the_messages_are_the_expected_ones",
    ),
    Fault(
        "credentials of another account",
        "components/rules.py",
        'for part in ("partition", "account"):',
        'for part in ("partition",):',
        "tests/components/test_settings.py::test_credentials_for_another_account_are_rejected",
    ),
    Fault(
        "a Region that is not known yet counts as the provider's",
        "components/rules.py",
        'None if is_unknown(self.arguments.get("region")) else provider.region',
        "provider.region",
        "tests/components/test_settings.py::test_no_arn_is_rejected_while_the_region_is_unknown",
    ),
    Fault(
        "a policy of exactly IAM's size limit is rejected",
        "components/validation.py",
        "size > formats.MAXIMUM_INLINE_SIZE",
        "size >= formats.MAXIMUM_INLINE_SIZE",
        "tests/components/test_settings.py::test_a_policy_of_exactly_the_quota_is_accepted_and_one_more_character_is_not",
    ),
    Fault(
        "the size of a policy with the role's name is too small",
        "components/validation.py",
        'formats.MAXIMUM_ROLE_NAME_LENGTH * "n"',
        '"n"',
        "tests/components/test_settings.py::test_the_size_of_a_policy_that_names_the_role_assumes_the_longest_automatic_name",
    ),
    Fault(
        "one oversized entry fails after other roles exist",
        "components/validation.py",
        "    _check_size(role_policy, settings)",
        "    all(location) and _check_size(role_policy, settings)",
        "tests/components/test_component.py::test_a_policy_beyond_the_quota_is_rejected_before_anything_is_registered",
    ),
    Fault(
        "a policy is rendered without a bucket that is not known yet",
        "components/validation.py",
        "if index is None or not unknown.isdisjoint(role_policy_settings(connector)):",
        "if index is None:",
        "tests/components/test_settings.py::test_while_a_setting_of_the_bucket_is_unknown_its_policy_is_not_rendered",
    ),
    Fault(
        "security groups come before subnets",
        "components/validation.py",
        "[*dict.fromkeys(network_arns())]",
        "sorted({*network_arns()})",
        "tests/components/test_documents.py::test_subnets_come_before_security_groups_in_order_and_without_duplicates",
    ),
    Fault(
        "any application of the account may assume the role",
        "components/policies.py",
        '"ArnEquals": {"aws:SourceArn": application.arn}',
        '"ArnLike": {"aws:SourceArn": application.arn[:-36] + "*"}',
        "tests/components/test_documents.py::test_the_default_with_every_option_equals_the_expected_document",
    ),
    Fault(
        "KMS via the wrong service",
        "components/policies.py",
        '"s3" if resources.bucket_is_source else "secretsmanager")',
        '"secretsmanager")',
        "tests/components/test_documents.py::test_a_connector_for_each_kind_of_page_has_the_expected_documents",
    ),
    Fault(
        "s3:* on the bucket of a data source",
        "components/policies.py",
        '["s3:GetObject"]',
        '["s3:*"]',
        "tests/components/test_documents.py::test_a_connector_for_each_kind_of_page_has_the_expected_documents",
    ),
    Fault(
        "a bucket of any account",
        "components/policies.py",
        '{"StringEquals": {"aws:ResourceAccount": resources.bucket_account}}',
        "{}",
        "tests/components/test_documents.py::test_a_bucket_of_another_account_is_restricted_to_that_account",
    ),
    Fault(
        "a role passes the role of this name under another path",
        "components/policies.py",
        "role{resources.role_path}{ROLE_NAME_PLACEHOLDER}",
        "role/{ROLE_NAME_PLACEHOLDER}",
        "tests/components/test_component.py::test_a_role_whose_data_source_is_a_bucket_names_itself_with_its_path",
    ),
    Fault(
        "network interfaces of another application",
        "components/policies.py",
        'f"qbusiness_{account}_{application_id}_*"',
        'f"qbusiness_{account}_*"',
        "tests/components/test_documents.py::test_the_default_with_every_option_equals_the_expected_document",
    ),
    # The commands.
    Fault(
        "no second page of a list",
        "roles/account.py",
        "client.get_paginator(operation).paginate(**parameters):",
        "[getattr(client, operation)(**parameters)]:",
        "tests/roles/adopt/test_choice.py::test_long_lists_are_read_to_their_end_with_progress",
    ),
    Fault(
        "a throttled call is not repeated",
        "roles/account.py",
        "_ATTEMPTS: Final = 10",
        "_ATTEMPTS: Final = 1",
        "tests/roles/test_errors.py::test_a_throttled_call_is_repeated",
    ),
    Fault(
        "the sign-in page of a proxy is an empty answer",
        "roles/account.py",
        '_PAGE.match(response_dict["body"]):',
        "False:",
        "tests/roles/test_errors.py::test_a_page_in_place_of_a_response_is_reported_on_one_line_without_html",
    ),
    Fault(
        "policies that are attached to a role are not compared",
        "roles/difference.py",
        "**role.inline_policies, **role.attached_policies}",
        "**role.inline_policies}",
        "tests/roles/adopt/test_comparison.py::test_attached_policies_are_compared_too",
    ),
    Fault(
        "a shared lock in adopt",
        "roles/adopt/files.py",
        "fcntl.LOCK_EX",
        "fcntl.LOCK_SH",
        "tests/roles/adopt/test_files.py::test_a_command_waits_for_another_one_and_notices_its_files",
    ),
    Fault(
        "unquoted YAML",
        "roles/adopt/files.py",
        "default_style='\"'",
        "default_style=None",
        "tests/roles/adopt/test_files.py::test_a_tag_value_that_yaml_would_read_as_another_type_is_quoted",
    ),
    Fault(
        "adopt overwrites a file without --force",
        "roles/adopt/files.py",
        "if existing and not overwrite:",
        "if False:",
        "tests/roles/adopt/test_files.py::test_files_are_overwritten_only_with_force_and_keep_other_members",
    ),
    Fault(
        "a policy with the program's name is not imported",
        "roles/adopt/files.py",
        "POLICY_NAME if POLICY_NAME in role.inline_policies else change.inline",
        "change.inline",
        "tests/roles/adopt/test_files.py::test_a_policy_with_the_program_s_name_is_imported_too",
    ),
    Fault(
        "adopt replaces a policy although the role loses access",
        "roles/adopt/access.py",
        "return replaced.spares(policy) or",
        "return True or",
        "tests/roles/adopt/test_change.py::test_other_policies_are_kept",
    ),
    Fault(
        "adopt has a policy deleted that another role uses",
        "roles/adopt/access.py",
        'policy.get("AttachmentCount") == 1 and',
        "",
        "tests/roles/adopt/test_change.py::test_an_attached_policy_that_only_this_role_has_is_detached_by_commands_after_the_update",
    ),
    Fault(
        "adopt does not name the access that a role loses with its policy",
        "roles/adopt/access.py",
        "{TRUST_POLICY, POLICY_NAME, inline, attached}",
        "{TRUST_POLICY, POLICY_NAME}",
        "tests/roles/adopt/test_change.py::test_the_option_always_replaces_a_policy_and_the_lost_access_is_named",
    ),
    Fault(
        "a second adopt overwrites the script that restores the roles",
        "roles/adopt/files.py",
        "if not name.exists())",
        "if True)",
        "tests/roles/adopt/test_change.py::test_the_script_restores_the_policies_of_one_role",
    ),
    Fault(
        "adopt takes a role from another data source",
        "roles/adopt/command.py",
        "    if not because:\n        return entry",
        "    if True:\n        return entry",
        "tests/roles/adopt/test_every.py::test_data_sources_that_share_a_role_get_roles_of_their_own",
    ),
    Fault(
        "adopt takes a role from another stack",
        "roles/adopt/command.py",
        "if not owner:",
        "if True:",
        "tests/roles/adopt/test_owners.py::test_the_role_of_another_stack_is_left_out_unless_it_is_taken",
    ),
    Fault(
        "adopt does not announce what a data source loses with a new role",
        "roles/adopt/entries.py",
        "change=find_change_to_new(role, policies),",
        "change=Change((), (), text=False),",
        "tests/roles/adopt/test_new_roles.py::test_lost_access_to_a_second_secret_is_a_warning_in_front_with_a_command_for_later",
    ),
    Fault(
        "adopt has a role deleted that another principal can assume",
        "roles/adopt/command.py",
        "has_owner or entries.principals(role)",
        "has_owner",
        "tests/roles/adopt/test_new_roles.py::test_a_shared_role_that_something_may_still_use_is_not_to_be_deleted",
    ),
    Fault(
        "adopt does not look in other Regions",
        "roles/adopt/selection.py",
        "others = SUPPORTED_REGIONS if account.region in SUPPORTED_REGIONS else ()",
        "others = ()",
        "tests/roles/adopt/test_command.py::test_a_role_that_a_data_source_of_another_application_or_region_uses_is_replaced",
    ),
    Fault(
        "the script restores a deleted principal, which IAM rejects",
        "roles/adopt/principals.py",
        "if UNIQUE_ID.fullmatch(name)",
        "if False",
        "tests/roles/adopt/test_restoration.py::test_deleted_principals_are_listed_and_left_out",
    ),
    Fault(
        "a killed command leaves a configuration without the script",
        "roles/adopt/files.py",
        "{**script, **imported, **settings}",
        "{**settings, **imported, **script}",
        "tests/roles/test_writing.py::test_a_command_that_is_killed_leaves_no_configuration_without_the_script",
    ),
    Fault(
        "adopt is silent about stacks that it cannot read",
        "roles/adopt/owners.py",
        'notes.warn(f"cannot tell whether stack {name} owns any of the roles: {found}")',
        "pass",
        "tests/roles/adopt/test_owners.py::test_an_owner_that_cannot_be_read_is_not_ruled_out",
    ),
    Fault(
        "adopt renames an entry, and the next update deletes its role",
        "roles/adopt/entries.py",
        "before.name_of(role) or chosen.get(identifier)",
        "chosen.get(identifier)",
        "tests/roles/adopt/test_every.py::test_entries_in_the_file_keep_their_names_and_their_protection",
    ),
    Fault(
        "adopt drops an entry, and the next update deletes its role",
        "roles/adopt/existing.py",
        "if not lost:",
        "if True:",
        "tests/roles/adopt/test_every.py::test_a_role_in_the_file_is_never_dropped",
    ),
    Fault(
        "audit succeeds with roles that differ",
        "roles/audit/command.py",
        "Outcome.LACKING, Outcome.DIFFERENT}:",
        "Outcome.DIFFERENT}:",
        "tests/roles/audit/test_gallery.py::test_every_kind_of_data_source_is_reported",
    ),
    Fault(
        "audit accepts a finding forever",
        "roles/audit/accepted.py",
        "return date.fromisoformat(self.until) < today",
        "return False",
        "tests/roles/audit/test_accepted.py::test_after_its_date_an_accepted_finding_is_a_problem_again",
    ),
    Fault(
        "audit takes a service that any account can use for harmless",
        "roles/audit/danger.py",
        "if services.difference(_OWN_ACCOUNT) and not _requires_account(statement, account):",
        "if services.difference(_OWN_ACCOUNT) and not statement.conditions:",
        "tests/roles/audit/test_danger.py::test_a_trust_policy_is_dangerous_if_it_admits_others",
    ),
    Fault(
        "audit takes a role that can change its own policies for harmless",
        "roles/audit/danger.py",
        "if kind else statement.resources.covers(role.text)",
        'if kind else statement.resources.covers("*")',
        "tests/roles/audit/test_danger.py::test_a_role_that_can_change_its_own_policies_is_dangerous",
    ),
    Fault(
        "audit takes the number of a statement for its Sid",
        "roles/audit/accepted.py",
        'entry.get("sid", number)',
        'entry.get("sid", given)',
        "tests/roles/audit/test_accepted.py::test_a_number_and_a_sid_that_looks_like_one_are_two_statements",
    ),
    Fault(
        "audit lists the role of another application as unused",
        "roles/audit/unused.py",
        "{*values} <= {*applications}",
        "values",
        "tests/roles/audit/test_unused.py::test_only_roles_of_the_audited_applications_alone_are_listed",
    ),
    Fault(
        "the pack assigns a policy to another role of the same name",
        "guardrails/declared_roles.py",
        "for name in others for urn in",
        "for name in given_names for urn in",
        "tests/guardrails/test_guardrails.py::"
        "test_policies_belong_to_the_role_that_they_reference_not_to_another_of_its_name",
    ),
    Fault(
        "audit reports access as missing that it could not read",
        "roles/audit/survey.py",
        'if "missing" in kinds and complete:',
        'if "missing" in kinds:',
        "tests/roles/audit/test_survey.py::test_unread_policies_are_not_a_difference",
    ),
    Fault(
        "audit calls access missing that only one of several data sources lacks",
        "roles/audit/survey.py",
        'return difference.verdict != "missing" or result.data_source in difference.data_sources',
        "return True",
        "tests/roles/audit/test_gallery.py::test_every_kind_of_data_source_is_reported",
    ),
    Fault(
        "check reports the oldest sync",
        "roles/account.py",
        'max(jobs, key=lambda job: job["startTime"]',
        'min(jobs, key=lambda job: job["startTime"]',
        "tests/roles/check/test_data_sources.py::test_a_sync_that_failed_is_explained_if_it_is_about_the_role",
    ),
    Fault(
        "check calls an aborted sync fine",
        "roles/check/data_sources.py",
        '"ABORTED": _UNFINISHED',
        '"ABORTED": ""',
        "tests/roles/check/test_data_sources.py::test_a_sync_that_neither_succeeded_nor_failed_is_a_note",
    ),
    Fault(
        "adopt replaces the policy for a second secret",
        "roles/adopt/access.py",
        "(replace and not is_needed)",
        "replace",
        "tests/roles/test_other_secrets.py::test_a_policy_for_a_second_secret_is_not_in_excess_and_is_kept",
    ),
    Fault(
        "the secret of a web proxy is not read",
        "roles/detection.py",
        'text(proxy, "secretArn")',
        "None",
        "tests/roles/test_other_secrets.py::test_the_only_secret_of_a_data_source_is_its_secret_id",
    ),
    Fault(
        "adopt takes a bucket of another account for the application's",
        "roles/adopt/entries.py",
        "return requirements._replace(bucket_account=named[0])",
        "return requirements",
        "tests/roles/test_bucket_account.py::test_an_import_keeps_access_to_a_bucket_of_another_account",
    ),
    Fault(
        "Amazon S3 is not asked who owns a bucket",
        "roles/account.py",
        '{"Bucket": bucket, "ExpectedBucketOwner": owner}',
        '{"Bucket": bucket}',
        "tests/roles/test_bucket_account.py::test_the_audit_does_not_take_the_account_from_the_audited_policy",
    ),
    Fault(
        "check lets Web Crawler read a bucket with a KMS key",
        "roles/check/resources.py",
        "connector.name in _ONLY_S3_KEYS and",
        "False and",
        "tests/roles/check/test_resources.py::test_the_web_crawler_reads_only_buckets_with_amazon_s3_managed_keys",
    ),
    Fault(
        "check puts a missing subnet back into the settings",
        "roles/check/data_sources.py",
        "is_fixed = own.network.isdisjoint(gone)",
        "is_fixed = False",
        "tests/roles/check/test_network.py::test_a_subnet_that_is_gone_is_replaced_in_the_settings_and_in_the_data_source",
    ),
    Fault(
        "check does not see a data source in another index",
        "roles/check/data_sources.py",
        "if source.index_id != subject.index_id:",
        "if False:",
        "tests/roles/check/test_data_sources.py::test_a_data_source_of_the_role_in_another_index_is_a_problem",
    ),
    Fault(
        "check does not see that the trust policy lacks the ARN of the application",
        "roles/check/permissions.py",
        'any(verdict.verdict == "missing" for verdict in difference.program)',
        "False",
        "tests/roles/check/test_permissions.py::test_a_trust_policy_for_another_application_arn_is_a_problem",
    ),
    Fault(
        "check does not see a missing boundary",
        "roles/check/causes.py",
        "if actual != wanted:",
        "if wanted and actual != wanted:",
        "tests/roles/check/test_boundary.py::test_a_boundary_that_the_settings_lack_is_a_problem",
    ),
    Fault(
        "the MFA key unknown instead of absent",
        "roles/check/context.py",
        '    "aws:multifactorauthpresent",\n',
        "",
        "tests/roles/check/test_boundary.py::test_a_boundary_that_denies_under_a_condition_that_is_met_is_a_problem",
    ),
    Fault(
        "check does not see an earlier key of the secret's version",
        "roles/check/resources.py",
        "if any(_own_key(subject, key) in usable for key in current):",
        "if current:",
        "tests/roles/check/test_resources.py::test_a_current_version_encrypted_with_an_earlier_key_is_a_problem",
    ),
    Fault(
        "check does not see that a secret is scheduled for deletion",
        "roles/check/resources.py",
        'if "DeletedDate" in secret:',
        "if False:",
        "tests/roles/check/test_resources.py::test_a_problem_with_a_resource_is_printed_with_the_command_that_fixes_it",
    ),
    Fault(
        "check does not see a zone without Amazon Q Business",
        "roles/check/network.py",
        "if supported and zone not in supported:",
        "if False:",
        "tests/roles/check/test_resources.py::test_a_problem_with_a_resource_is_printed_with_the_command_that_fixes_it",
    ),
    Fault(
        "check does not see the ID of a deleted role in a bucket policy",
        "roles/check/causes.py",
        "AROA[A-Z0-9]+",
        "AIDA[A-Z0-9]+",
        "tests/roles/check/test_worlds.py::test_output_of_every_world",
    ),
    Fault(
        "check shows the values of secret settings",
        "roles/stack.py",
        "if key in config and config[key].secret]",
        "if False]",
        "tests/roles/check/test_secrecy.py::test_secret_settings_are_rejected_with_the_commands_that_make_them_plain",
    ),
    Fault(
        "check reads another account",
        "roles/stack.py",
        "if account and account != account_id:",
        "if False:",
        "tests/roles/check/test_stack.py::test_credentials_of_another_account_are_reported_on_one_line",
    ),
    Fault(
        "a skipped question hides a problem from the exit code",
        "roles/check/command.py",
        "if counts[State.PROBLEM]:",
        "if counts[State.PROBLEM] and not unanswered:",
        "tests/roles/check/test_command.py::test_a_problem_outweighs_an_unknown_answer_and_a_skipped_question",
    ),
    Fault(
        "check succeeds although it cannot tell",
        "roles/check/command.py",
        "return CANNOT_TELL if counts[State.CANNOT_TELL] else FINE",
        "return FINE",
        "tests/roles/check/test_boundary.py::test_a_boundary_with_an_unknown_condition_is_neither_ok_nor_a_problem",
    ),
    # The guardrails and the policy reader.
    Fault(
        "sts:AssumeRoleWithWebIdentity passes the pack",
        "guardrails/rules.py",
        'if action.lower() != "sts:assumerole"',
        'if not action.lower().startswith("sts:assumerole")',
        "tests/guardrails/test_guardrails.py::test_a_role_that_is_too_wide_is_found_by_its_rules_alone",
    ),
    Fault(
        "the pack rejects as many attached policies as IAM allows",
        "guardrails/rules.py",
        "if number > maximum:",
        "if number >= maximum:",
        "tests/guardrails/test_guardrails.py::test_at_most_twenty_policies_are_attached_wherever_they_are_declared",
    ),
    Fault(
        "a policy that AWS manages passes the pack",
        "guardrails/rules.py",
        "        if _AWS_MANAGED.match(attachment.arn):",
        "        if False:",
        "tests/guardrails/test_guardrails.py::test_a_role_that_is_too_wide_is_found_by_its_rules_alone",
    ),
    Fault(
        "the pack allows more than the component grants",
        "guardrails/connector_policy.json",
        "secretsmanager:GetSecretValue",
        "secretsmanager:*",
        "tests/guardrails/test_guardrails.py::test_the_pack_s_policy_grants_the_permissions_that_the_component_grants_all_connectors",
    ),
    Fault(
        "exemption by name",
        "guardrails/__main__.py",
        "if role.urn not in exempt:",
        "if role.name not in exempt:",
        "tests/guardrails/test_guardrails.py::test_an_exemption_names_a_role_s_urn",
    ),
    Fault(
        "the pack stops nothing",
        "guardrails/__main__.py",
        "enforcement_level=EnforcementLevel.ADVISORY if rule.advisory else None",
        "enforcement_level=EnforcementLevel.ADVISORY",
        "tests/guardrails/test_guardrails_engine.py::test_each_role_that_is_too_wide_is_stopped_by_its_rules_alone",
    ),
    Fault(
        "the pack ignores the names of roles in another case",
        "guardrails/declared_roles.py",
        '(role.text("name") or "").lower()',
        '(role.text("name") or "")',
        "tests/guardrails/test_guardrails.py::test_role_names_are_not_case_sensitive",
    ),
    Fault(
        "? covers *",
        "guardrails/iam/patterns.py",
        '_expression(pattern, ignore_case, "[^*]")',
        '_expression(pattern, ignore_case, ".")',
        "tests/roles/test_difference.py::test_statements_are_compared_by_the_access_that_they_allow",
    ),
    Fault(
        "a denial does not count",
        "roles/check/decisions.py",
        "if denying := found[Truth.YES]:",
        "if denying := ():",
        "tests/roles/check/test_worlds.py::test_output_of_every_world",
    ),
    Fault(
        "one of several values meets ForAllValues",
        "guardrails/iam/conditions.py",
        "answer = every(answers)",
        "answer = some(answers)",
        "tests/guardrails/test_reading.py::test_role_policies_are_evaluated_as_in_the_simulator",
    ),
    Fault(
        "a policy with a member twice is read as its last value",
        "guardrails/iam/documents.py",
        "json.loads(text, object_pairs_hook=_members_once)",
        "json.loads(text)",
        "tests/guardrails/test_guardrails.py::test_the_findings_are_the_expected_ones",
    ),
    # The sandbox.
    Fault(
        "the stand-in always deletes first",
        "sandbox/provider/lifecycle.py",
        "bool(replaces) and deletes_first",
        "bool(replaces)",
        "tests/sandbox/test_provider.py::test_exclusive_resources_are_created_before_the_old_ones_are_deleted",
    ),
    Fault(
        "the stand-in does not record a failed update as successful",
        "sandbox/provider/lifecycle.py",
        "if self.resource.stores_failed_updates:",
        "if False:",
        "tests/engine/test_faults.py::test_without_a_refresh_the_next_update_reports_success_and_applies_nothing",
    ),
    Fault(
        "the stand-in accepts a role name that differs only in case",
        "sandbox/iam_rules.py",
        'if parameters["RoleName"].casefold() in taken:',
        'if parameters["RoleName"] in taken:',
        "tests/sandbox/test_iam_rules.py::test_a_role_name_is_unique_regardless_of_case",
    ),
    Fault(
        "other machines reach the AWS of the sandbox",
        "sandbox/aws_server.py",
        'make_server("127.0.0.1"',
        'make_server("0.0.0.0"',
        "tests/sandbox/test_sandbox.py::test_the_server_listens_only_on_loopback",
    ),
    Fault(
        "other machines reach the providers of the sandbox",
        "sandbox/provider/server.py",
        "127.0.0.1:0",
        "0.0.0.0:0",
        "tests/sandbox/test_sandbox.py::test_the_server_listens_only_on_loopback",
    ),
    Fault(
        "HTTPS_PROXY reaches the sandbox",
        "sandbox/environment.py",
        'name.lower().endswith("_proxy")',
        'name.endswith("_proxy")',
        "tests/sandbox/test_sandbox.py::test_the_user_s_aws_pulumi_proxy_and_python_variables_are_not_passed_on",
    ),
    Fault(
        "make down hides a failed destroy",
        "sandbox/__main__.py",
        "        exit_code = _destroy(PROJECT, STACK, environment) or exit_code",
        "        _destroy(PROJECT, STACK, environment)",
        "tests/project/test_checkout.py::test_make_down_resets_a_sandbox_in_several_states_and_make_up_names_the_command",
    ),
    # The package, the template, and the example.
    Fault(
        "the package drops a misspelled input",
        "plugin/__main__.py",
        "        del component_def\n",
        "        inputs = {key: inputs[key] for key in inputs if key in component_def.inputs}\n",
        "tests/plugin/test_package.py::test_a_misspelled_input_from_an_untyped_language_is_rejected",
    ),
    Fault(
        "the package shows a traceback for an invalid setting",
        "plugin/__main__.py",
        "if isinstance(error.inner, SettingsError):",
        "if False:",
        "tests/plugin/test_package.py::test_invalid_inputs_are_all_reported_at_once_by_name_and_without_a_traceback",
    ),
    Fault(
        "the template accepts unknown keys",
        "template/__main__.py",
        "refuse_unknown_keys=True",
        "refuse_unknown_keys=False",
        "tests/examples/test_template.py::test_a_new_project_reports_missing_settings_deploys_a_role_and_gets_another_environment",
    ),
    Fault(
        "a project of the template never repeats a failed update",
        "template/Pulumi.yaml",
        "  refresh: always\n",
        "  refresh: never\n",
        "tests/project/test_project.py::test_every_update_of_roles_refreshes_first",
    ),
    Fault(
        "the template deploys without the guardrails",
        "template/.github/workflows/environments.yml",
        "pulumi up --policy-pack guardrails",
        "pulumi up",
        "tests/docs/test_generated_pages.py::test_the_page_is_up_to_date",
    ),
    Fault(
        "a data source without a role",
        "examples/data-source/__main__.py",
        'require_output("roleArns")',
        'get_output("roleArns")',
        "tests/examples/test_consumers.py::test_a_data_source_without_a_role_is_an_error",
    ),
    Fault(
        "the boundary in examples stops a connector",
        "examples/connector-boundary.json",
        '"s3:ListBucket", ',
        "",
        "tests/authorization/test_boundary.py::test_every_connector_s_role_works_under_the_boundary",
    ),
    Fault(
        "the boundary in examples lets a role be passed to any service",
        "examples/connector-boundary.json",
        '"StringEquals": {"iam:PassedToService": "qbusiness.amazonaws.com"}',
        '"StringLike": {"iam:PassedToService": "*.amazonaws.com"}',
        "tests/authorization/test_boundary.py::test_the_boundary_stops_a_role_that_allows_everything",
    ),
    # The roles for continuous integration.
    Fault(
        "a pull request may assume the audit role",
        "examples/ci-roles/policies.py",
        '"audit": [main]',
        '"audit": [main, f"repo:{repository}:pull_request"]',
        "tests/examples/test_ci_roles.py::test_each_role_trusts_only_its_jobs",
    ),
    Fault(
        "a preview may write roles",
        "examples/ci-roles/policies.py",
        '_allow("ConnectorRole", READ_ROLE, environment.roles)',
        '_allow("ConnectorRole", (*READ_ROLE, *WRITE_ROLE), environment.roles)',
        "tests/examples/test_ci_roles.py::test_the_roles_allow_exactly_the_calls_of_the_provider",
    ),
    Fault(
        "a preview may write the state",
        "examples/ci-roles/policies.py",
        "*_state(settings, environment.name, write=False)",
        "*_state(settings, environment.name, write=True)",
        "tests/examples/test_ci_roles.py::test_a_role_may_write_the_state_of_its_own_stack_only",
    ),
    Fault(
        "s3:* on the bucket of the state",
        "examples/ci-roles/policies.py",
        '_allow("StateList", ["s3:ListBucket"], [settings.bucket_arn])',
        '_allow("StateList", ["s3:*"], [settings.bucket_arn, f"{settings.bucket_arn}/*"])',
        "tests/examples/test_ci_roles.py::test_a_role_may_write_the_state_of_its_own_stack_only",
    ),
    Fault(
        "a deployment may remove a boundary",
        "examples/ci-roles/policies.py",
        '() if boundary else ("iam:DeleteRolePermissionsBoundary",)',
        '("iam:DeleteRolePermissionsBoundary",)',
        "tests/examples/test_ci_roles.py::test_no_role_gets_permissions_without_the_boundary_or_loses_it",
    ),
    Fault(
        "a deployment may change the roles of CI",
        "examples/ci-roles/settings.py",
        'taken = [("CI", f"{roles}/connector-ci-*")]',
        "taken: list[tuple[str, str]] = []",
        "tests/examples/test_ci_roles.py::test_every_problem_with_the_settings_is_reported_and_nothing_is_created",
    ),
    # The workflows.
    Fault(
        "a running deployment is canceled",
        ".github/workflows/environments.yml",
        "group: deploy-${{ matrix.stack }}\n      cancel-in-progress: false",
        "group: deploy-${{ matrix.stack }}\n      cancel-in-progress: true",
        "tests/project/test_workflows.py::test_environments_deploy_in_turn_under_their_protection_and_no_deployment_is_canceled",
    ),
    Fault(
        "environments deploy at once",
        ".github/workflows/environments.yml",
        "max-parallel: 1",
        "max-parallel: 9",
        "tests/project/test_workflows.py::test_environments_deploy_in_turn_under_their_protection_and_no_deployment_is_canceled",
    ),
    Fault(
        "environments deploy without protection",
        ".github/workflows/environments.yml",
        "    environment: ${{ matrix.stack }}\n",
        "",
        "tests/project/test_workflows.py::test_environments_deploy_in_turn_under_their_protection_and_no_deployment_is_canceled",
    ),
    Fault(
        "forks get credentials",
        ".github/workflows/environments.yml",
        "      && github.event.pull_request.head.repo.full_name == github.repository\n",
        "",
        "tests/project/test_workflows.py::test_a_pull_request_from_a_fork_is_tested_without_credentials",
    ),
    Fault(
        "a refresh before the program",
        ".github/workflows/environments.yml",
        'PULUMI_RUN_PROGRAM: "true"',
        'PULUMI_RUN_PROGRAM: "false"',
        "tests/project/test_workflows.py::test_every_command_runs_the_program_before_a_refresh",
    ),
    Fault(
        "production is deployed before staging",
        ".github/workflows/environments.yml",
        'key=lambda name: (name.startswith("prod"), name)',
        "key=str",
        "tests/project/test_workflows.py::test_the_environments_are_read_from_the_files",
    ),
    Fault(
        "the stack of the sandbox is deployed to AWS",
        ".github/workflows/environments.yml",
        'names - {"dev", "example"}',
        'names - {"example"}',
        "tests/project/test_workflows.py::test_the_environments_are_read_from_the_files",
    ),
    Fault(
        "a failed preview leaves no comment",
        ".github/workflows/environments.yml",
        "if: ${{ !cancelled() }}",
        "if: ${{ success() }}",
        "tests/project/test_workflows.py::test_the_preview_s_report_becomes_one_comment_for_each_environment_even_if_the_preview_failed",
    ),
    Fault(
        "drift opens no issue",
        ".github/workflows/environments.yml",
        ".github/issue.sh 7",
        ".github/issue.sh 1",
        "tests/project/test_workflows.py::test_an_issue_is_updated_and_closed_unless_it_has_another_author_or_environment",
    ),
    Fault(
        "a foreign issue is edited",
        ".github/issue.sh",
        ' and .author.login == "app/github-actions"',
        "",
        "tests/project/test_workflows.py::test_an_issue_is_updated_and_closed_unless_it_has_another_author_or_environment",
    ),
    Fault(
        "an answer that check does not know fails the job",
        ".github/workflows/environments.yml",
        'if test "$code" = 3; then echo "::notice::check',
        'if test "$code" = 4; then echo "::notice::check',
        "tests/project/test_workflows.py::test_an_unknown_answer_is_a_notice",
    ),
    Fault(
        "a report hides a failure",
        ".github/report.sh",
        "tee output.txt\n    code=${PIPESTATUS[0]}",
        "tee output.txt\n    code=$?",
        "tests/project/test_workflows.py::test_a_report_contains_both_streams_and_keeps_the_exit_code_of_the_command",
    ),
    Fault(
        "a report is longer than GitHub accepts",
        ".github/report.sh",
        "limit=60000",
        "limit=70000",
        "tests/project/test_workflows.py::test_output_stays_inside_its_code_block_and_below_the_size_limit",
    ),
    Fault(
        "a release without tests",
        ".github/workflows/release.yml",
        "    needs: test\n",
        "",
        "tests/project/test_workflows.py::test_only_a_tested_tag_becomes_a_release",
    ),
    # The code blocks in the pages.
    Fault(
        "recovery deletes a role with a set name",
        "recovery/plan.py",
        ' or "name" not in inputs.get("__defaults", [])',
        "",
        "tests/recovery/test_recovery.py::test_no_other_role_is_deleted",
    ),
    Fault(
        "recovery keeps an orphan",
        "recovery/plan.py",
        'operation["type"] == "creating"',
        'operation["type"] == "updating"',
        "tests/recovery/test_recovery.py::test_a_role_that_the_stack_did_not_record_is_deleted_by_the_next_update",
    ),
    Fault(
        "recovery loses the record of a role in another account",
        "recovery/plan.py",
        'outputs.get("uniqueId") != role.get("uniqueId")',
        "False",
        "tests/recovery/test_recovery.py::test_a_role_that_the_preview_does_not_find_stops_the_recovery",
    ),
    Fault(
        "a new environment has the key of the copied one",
        "docs/ci.md",
        "bucketAccountId kmsKeyId vpcConfiguration",
        "bucketAccountId vpcConfiguration",
        "tests/docs/test_pages.py::test_a_copied_environment_keeps_only_settings_that_environments_can_share",
    ),
    Fault(
        "a bucket policy of the page admits other roles",
        "docs/operations.md",
        'role/qbusiness-role"}}},',
        'role/*"}}},',
        "tests/authorization/test_bucket_policies.py::test_the_bucket_policy_allows_only_the_role",
    ),
    Fault(
        "a bucket policy of the page shares all files",
        "docs/operations.md",
        "qbusiness-files/sharepoint.crt",
        "qbusiness-files/*",
        "tests/authorization/test_bucket_policies.py::test_the_bucket_policy_for_single_files_denies_other_requests",
    ),
    Fault(
        "a renamed entry gets another role",
        "docs/data-sources.md",
        '"$NEW-qbusiness-role"',
        '"$NEW-role"',
        "tests/engine/test_data_sources.py::test_one_role_becomes_one_of_several_which_are_added_renamed_protected_and_removed",
    ),
    Fault(
        "a role with its old name has another ARN",
        "docs/operations.md",
        'pulumi config set rolePath "$ROLE_PATH" &&\n',
        "",
        "tests/engine/test_refactoring.py::test_after_a_failed_rename_the_page_restores_everything",
    ),
)


def copied(directory: Path) -> Path:
    """Return a copy of the tracked files that shares the packages and the engine."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True
    )
    for name in listed.stdout.split("\0")[:-1]:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, directory / name)
    for name in LINKED:
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).symlink_to(PROJECT / name)
    return directory


def outcome(fault: Fault, copy: Path) -> str:
    """Plant a fault and run its test; return an error, or an empty string if the test finds it."""
    file = copy / fault.file
    text = file.read_text(encoding="utf-8")
    if text.count(fault.before) != 1:
        return f"DOES NOT APPLY: the text occurs {text.count(fault.before)} times in {fault.file}"
    file.write_text(text.replace(fault.before, fault.after), encoding="utf-8")
    command = ["venv/bin/python", "-m", "pytest", "-n0", "-q", "-x", fault.test]
    done = subprocess.run(command, cwd=copy, stdout=subprocess.PIPE, check=False)
    file.write_text(text, encoding="utf-8")
    if done.returncode == TESTS_FAILED:
        return ""
    return f"NOT FOUND: {fault.test} ended with {done.returncode}"


def main() -> int:
    """Try the faults and fail if one is not found or cannot be planted."""
    patterns = sys.argv[1:] or [""]
    with TemporaryDirectory() as directory:
        copy, failed = copied(Path(directory)), False
        for fault in FAULTS:
            if any(
                pattern in part for pattern in patterns for part in (fault.name, fault.file, fault.test)
            ):
                begin = time.monotonic()
                wrong = outcome(fault, copy)
                failed |= bool(wrong)
                seconds = time.monotonic() - begin
                sys.stdout.write(f"{seconds:5.0f} s  {fault.name}: {wrong or 'found'}\n")
                sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
