// The same role and policy with AWS CDK; $DOCUMENTS is a JSON file with the two documents.
const { readFileSync } = require("node:fs");
const { App, Stack, aws_iam: iam } = require("aws-cdk-lib");

const { trust, policy } = JSON.parse(readFileSync(process.env.DOCUMENTS, "utf8"));
const stack = new Stack(new App(), "connector");
const role = new iam.CfnRole(stack, "role", { assumeRolePolicyDocument: trust });
new iam.CfnRolePolicy(stack, "policy", {
  policyName: "qbusiness-aem-connector",
  roleName: role.ref,
  policyDocument: policy,
});
