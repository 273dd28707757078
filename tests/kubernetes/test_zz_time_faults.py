import sys, time
sys.path[:0]=["/work/main/tests","/work/main/scripts"]
import importlib.util
spec=importlib.util.spec_from_file_location("tck","/work/main/tests/kubernetes/test_cluster_killed.py"); m=importlib.util.module_from_spec(spec); spec.loader.exec_module(m)
from collections import defaultdict
T=defaultdict(list)
def test_time(tmp_path, git_repo, control_plane, namespace):
    world=m.ClusterWorld(tmp_path, git_repo, control_plane, namespace)
    def timed(name,f):
        t=time.monotonic(); r=f(); T[name].append(round(time.monotonic()-t,2)); return r
    workflow=timed("prepare",lambda: m.prepare(world))
    m.second(world)
    for step in range(1,100,9):
        done=timed("run",lambda: m.run(world,workflow,"sync",step))
        if done.returncode==0: print("steps", done.stdout); break
        out=timed("resync",lambda: world.sync(workflow))
        timed("images",lambda:(world.objects(), m.images(world)))
        timed("noleak",lambda:m.no_leak(world,workflow))
        timed("git",lambda:(world.checkout.git("revert","--no-edit","HEAD"),world.checkout.git("push","-q","origin","HEAD:main")))
        timed("back",lambda: world.sync(workflow))
        world.checkout.git("revert","--no-edit","HEAD");world.checkout.git("push","-q","origin","HEAD:main")
    for k,v in T.items(): print(k,v,round(sum(v),1))
