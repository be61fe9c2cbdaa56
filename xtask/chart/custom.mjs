// Validates the custom resources of rendered manifests with the models of @kubernetes-models.
//
//     node custom.mjs < RESOURCES.json
//
// Must lie beside the node_modules that has them.

import { readFileSync } from "node:fs";

const GROUPS = {
  "monitoring.coreos.com/v1": "prometheus-operator/monitoring.coreos.com/v1",
  "keda.sh/v1alpha1": "keda/keda.sh/v1alpha1",
  "gateway.networking.k8s.io/v1": "gateway-api/gateway.networking.k8s.io/v1",
};

let failed = false;
let checked = 0;
for (const resource of JSON.parse(readFileSync(0, "utf8"))) {
  const group = GROUPS[resource.apiVersion];
  if (!group) continue;
  const { kind, metadata } = resource;
  try {
    const models = await import(`@kubernetes-models/${group}`);
    new models[kind](resource).validate();
    checked += 1;
  } catch (error) {
    console.log(`${kind} ${metadata.name}: ${error.message}`);
    failed = true;
  }
}
console.log(`${checked} custom resources are valid`);
process.exit(failed || checked === 0 ? 1 : 0);
