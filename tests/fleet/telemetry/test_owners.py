"""Whose a process is, from the control group the kernel says it runs in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.telemetry.owners import owner

ID = "0123456789abcdef" * 4
POD = "8d1c0f7a-1b2c-4d3e-9f00-112233445566"
KUBEPODS = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD.replace('-', '_')}.slice"


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        ("/system.slice/vllm-llama.service", "systemd:vllm-llama.service"),
        ("/system.slice/system-vllm.slice/vllm@llama.service", "systemd:vllm@llama.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/llm.service", "systemd-user:llm.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "session:1000"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/tmux-spawn-1.scope", "session:1000"),
        (f"/system.slice/docker-{ID}.scope", f"docker:{ID}"),
        (f"/docker/{ID}", f"docker:{ID}"),
        (f"/system.slice/docker.service/docker/{ID}", f"docker:{ID}"),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope", f"docker:{ID}"),
        (f"/machine.slice/libpod-{ID}.scope/container", f"podman:{ID}"),
        (f"/user.slice/user-7.slice/user@7.service/user.slice/libpod-{ID}.scope", f"podman:{ID}"),
        (f"/system.slice/chat.service/libpod-payload-{ID}", "systemd:chat.service"),
        (f"{KUBEPODS}/cri-containerd-{ID}.scope", f"kubernetes:{POD}"),
        (f"{KUBEPODS}/crio-{ID}.scope", f"kubernetes:{POD}"),
        (f"/kubepods/besteffort/pod{POD}/{ID}", f"kubernetes:{POD}"),
        (f"/system.slice/containerd.service/kubepods-pod{POD.replace('-', '_')}.slice:cri-containerd:{ID}",
         f"kubernetes:{POD}"),
        ("/system.slice/slurmstepd.scope/job_42/step_0/user/task_0", "slurm:42"),
        ("/slurm/uid_1000/job_42/step_batch", "slurm:42"),
        ("/system.slice/docker-0123abcd.scope", None),
        ("/kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope", None),
        ("/system.slice/containerd.service/kubepods-podx.slice:cri-containerd:1", None),
        ("/init.scope", None),
        ("/", None),
        ("/system.slice/\x1b[31mx.service", "systemd:x.service"),
    ],
)  # fmt: skip
def test_a_process_is_of_whoever_manages_its_control_group(path: str, owned: str | None) -> None:
    assert owner(f"0::{path}\n") == owned


def test_of_version_1_the_hierarchy_of_systemd_tells() -> None:
    assert owner("12:pids:/system.slice/a.service\n1:name=systemd:/system.slice/b.service") == "systemd:b.service"
    assert owner(f"11:memory,devices:/docker/{ID}\n4:cpu:/") == f"docker:{ID}"


@given(st.text(max_size=200))
def test_no_control_group_breaks_it(text: str) -> None:
    owner(text)
    owner(f"0::/{text}")
