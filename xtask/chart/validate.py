"""Validates rendered manifests against the oldest and the newest Kubernetes, and checks what must hold for each.

    validate.py RENDERED…

Custom resources are left to custom.mjs."""

import pathlib
import sys

import kubernetes_validate
import yaml

OLDEST = "1.29"
NEWEST = kubernetes_validate.latest_version()
CUSTOM = ("monitoring.coreos.com", "keda.sh", "gateway.networking.k8s.io", "cloud.google.com")
# What helm itself does not install, but a test of it runs.
PODS = {"Deployment": lambda one: one["spec"]["template"]["spec"], "Pod": lambda one: one["spec"]}


def main(files):
    findings = []
    for file in files:
        documents = list(yaml.safe_load_all(file.read_text()))
        for one in documents:
            name = f"{file.name}: {one['kind']} {one['metadata']['name']}"
            findings += [f"{name}: {finding}" for finding in against_schemas(one) + invariants(one)]
        findings += [f"{file.name}: {finding}" for finding in together(documents)]
    if findings:
        sys.exit("\n".join(findings))
    print(f"{len(files)} renderings are valid on Kubernetes {OLDEST} and {NEWEST}")


def against_schemas(one):
    if one["apiVersion"].startswith(CUSTOM):
        return []
    findings = []
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            findings.append(f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            findings.append(error.message)
    return findings


def invariants(one):
    """Of one object."""
    if len(one["metadata"]["name"]) > 63:
        return ["its name is longer than 63 characters"]
    pod = PODS.get(one["kind"], lambda _: None)(one)
    if pod is None:
        return []
    findings = []
    must = lambda fine, what: None if fine else findings.append(what)
    must(pod.get("automountServiceAccountToken") is False, "it mounts a token of the API server")
    security = pod.get("securityContext", {})
    must(security.get("runAsNonRoot") is True, "it may run as root")
    must(security.get("seccompProfile", {}).get("type") == "RuntimeDefault", "it has no seccomp profile")
    must(not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), "it is part of the host")
    for volume in pod.get("volumes", []):
        must("hostPath" not in volume, f"volume {volume['name']} is the host's")
        must("emptyDir" not in volume or volume["emptyDir"].get("sizeLimit"), f"volume {volume['name']} has no limit")
    if one["kind"] == "Deployment":
        must(pod.get("terminationGracePeriodSeconds", 0) >= 60 or "redis" in one["metadata"]["name"], "it has no time to end")
    for container in pod["containers"] + pod.get("initContainers", []):
        name = container["name"]
        resources = container.get("resources", {})
        for kind in ("requests", "limits"):
            for what in ("cpu", "memory"):
                must(what in resources.get(kind, {}), f"{name} has no {kind} of {what}")
        probes = ("startupProbe", "livenessProbe", "readinessProbe") if one["kind"] == "Deployment" else ()
        for probe in probes:
            must(probe in container, f"{name} has no {probe}")
            where = container.get(probe, {}).get("httpGet", {"port": "admin"})["port"]
            must(where == "admin", f"{name}: {probe} is not on the admin port")
        own = container.get("securityContext", {})
        must(own.get("allowPrivilegeEscalation") is False, f"{name} may gain privileges")
        must(own.get("readOnlyRootFilesystem") is True, f"{name} may write to its image")
        must(own.get("runAsNonRoot") is True, f"{name} may run as root")
        must(own.get("capabilities", {}) == {"drop": ["ALL"]}, f"{name} has capabilities")
        must(own.get("seccompProfile", {}).get("type") == "RuntimeDefault", f"{name} has no seccomp profile")
        must(not container["image"].endswith(":latest") and ":" in container["image"], f"{name}: its image may change")
        for variable in container.get("env", []):
            secret = any(word in variable["name"] for word in ("SECRET", "KEY", "PASSWORD", "TOKEN"))
            must(not secret or "valueFrom" in variable, f"{name}: {variable['name']} stands in the manifest")
    return findings


def together(documents):
    """Of all objects of one rendering."""
    findings = []
    must = lambda fine, what: None if fine else findings.append(what)
    of = lambda kind: [one for one in documents if one["kind"] == kind]
    pods = [one["spec"]["template"] for one in of("Deployment")]
    matches = lambda selector, labels: selector.items() <= labels.items()
    names = [(one["kind"], one["metadata"]["name"]) for one in documents]
    must(len(names) == len(set(names)), "two objects have the same name")
    selectors = [(one, one["spec"]["selector"]) for one in of("Service")]
    selectors += [(one, one["spec"]["selector"]["matchLabels"]) for one in of("PodDisruptionBudget") + of("PodMonitor")]
    selectors += [(one, one["spec"]["podSelector"]["matchLabels"]) for one in of("NetworkPolicy")]
    for one, selector in selectors:
        found = sum(matches(selector, pod["metadata"]["labels"]) for pod in pods)
        must(found == 1, f"{one['kind']} {one['metadata']['name']} selects {found} deployments")
    for one in of("ServiceMonitor"):
        found = sum(matches(one["spec"]["selector"]["matchLabels"], other["metadata"]["labels"]) for other in of("Service"))
        must(found == 1, f"ServiceMonitor {one['metadata']['name']} selects {found} services")
    for one in of("Service"):
        ports = [port["name"] for pod in pods for box in pod["spec"]["containers"] for port in box["ports"]]
        for port in one["spec"]["ports"]:
            must(port["targetPort"] in ports, f"Service {one['metadata']['name']}: nothing listens on {port['targetPort']}")
        if not one["metadata"]["name"].endswith("-admin"):
            must(all(port["targetPort"] != "admin" for port in one["spec"]["ports"]), "the admin port is open to clients")
    gateways = [one for one in of("Deployment") if one["metadata"]["name"].endswith("-gateway")]
    must(len(gateways) == 1, "there is not one gateway Deployment")
    for one in gateways:
        rolling = one["spec"]["strategy"]["rollingUpdate"]
        must((rolling["maxUnavailable"], rolling["maxSurge"]) == (0, "25%"), "a rollout takes nodes away")
        must("checksum/config" in one["spec"]["template"]["metadata"]["annotations"], "a new configuration restarts nothing")
    for one in of("PodDisruptionBudget"):
        must(one["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow", "a sick pod blocks a drain")
    scaled = [one["spec"]["scaleTargetRef"]["name"] for one in of("HorizontalPodAutoscaler") + of("ScaledObject")]
    for one in of("Deployment"):
        fixed = "replicas" in one["spec"]
        must(fixed != (one["metadata"]["name"] in scaled), f"who scales {one['metadata']['name']}?")
    return findings


if __name__ == "__main__":
    main([pathlib.Path(name) for name in sys.argv[1:]])
