import json, pytest
from tests.kubernetes.test_on_cluster import *
async def test_mf(cluster, kubectl, namespace, crds):
    writer = ProfileWriter(cluster, namespace)
    manifest = to_manifest(cpu_profile("0.020"), name="cpuprofile-1", namespace=namespace, updated_at=NOON)
    status = to_status(cpu_profile("0.020"), refreshed_at=NOON)
    path = paths.profile("cpuprofiles", namespace, "cpuprofile-1")
    for _ in range(2):
        await writer.apply("cpuprofiles", manifest)
        print("AFTER APPLY", json.dumps((await cluster.get(path))["metadata"]["managedFields"]), (await cluster.get(path))["metadata"]["resourceVersion"])
        await writer.apply_status("cpuprofiles", "cpuprofile-1", status)
        print("AFTER STATUS", json.dumps((await cluster.get(path))["metadata"]["managedFields"]), (await cluster.get(path))["metadata"]["resourceVersion"])
    # remove annotation from manifest after status apply
    manifest["metadata"]["annotations"].popitem()
    await writer.apply("cpuprofiles", manifest)
    print("ANN", (await cluster.get(path))["metadata"]["annotations"])
    # bookmarks on an idle CR kind
    import time
    sel = Selection(paths.profiles("memoryprofiles", namespace))
    l = await cluster.list_all(sel)
    t=time.time()
    async with cluster.watch(sel, l.resource_version, timeout_seconds=100) as ev:
        async for e in ev: print("IDLE", time.time()-t, e); break
    print("ended", time.time()-t)
    sel = Selection(paths.profiles("cpuprofiles", namespace))
    l = await cluster.list_all(sel)
    t=time.time()
    async with cluster.watch(sel, l.resource_version, timeout_seconds=100) as ev:
        async for e in ev: print("USED", time.time()-t, e); break
    print("ended", time.time()-t)
