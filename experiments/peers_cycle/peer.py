"""pytorch_mppi on the common scene; runs in the peer's own environment (see run.py)."""

import sys

import numpy as np
import scene
import torch
from pytorch_mppi import MPPI


def controller(arrays, size: str, batched: bool, compiled: bool) -> MPPI:
    count, steps, dt = scene.SIZES[size]
    low, high = torch.tensor(scene.LOW), torch.tensor(scene.HIGH)
    grid = torch.from_numpy(arrays["grid"]).reshape(-1)
    discs = torch.from_numpy(arrays[f"discs_{size}"])  # T M 2
    goal = torch.from_numpy(arrays["goal"])

    def dynamics(state, action):
        v, omega = action[..., 0], action[..., 1]
        yaw = state[..., 2]
        return torch.stack(
            [
                state[..., 0] + dt * v * torch.cos(yaw),
                state[..., 1] + dt * v * torch.sin(yaw),
                yaw + dt * omega,
            ],
            dim=-1,
        )

    def cost(state, action, discs):
        """``discs`` (…, M, 2) belongs to the time of ``state`` (…, K or K T, 3)."""
        xy = state[..., :2]
        cell = torch.clamp(
            (xy / scene.RESOLUTION + scene.CELLS / 2 + 0.5).long(), 0, scene.CELLS - 1
        )
        at = grid[cell[..., 1] * scene.CELLS + cell[..., 0]]
        gap = torch.sqrt(((xy[..., None, :] - discs) ** 2).sum(-1) + 1e-6)
        near = torch.clamp(1.0 - gap / scene.REACH, min=0.0) ** 2
        to_go = torch.sqrt(((xy - goal) ** 2).sum(-1) + 1e-6)
        effort = 0.1 * (action**2).sum(-1)
        return (
            scene.WEIGHT_GRID * at
            + scene.WEIGHT_DISC * near.sum(-1)
            + scene.WEIGHT_GOAL * dt * to_go
            + effort
        )

    def whole(states, actions):  # M K T 3
        return cost(states, actions, discs).sum(-1)

    if compiled:
        dynamics, cost, whole = (torch.compile(f) for f in (dynamics, cost, whole))

    def stepwise(state, action, t):
        return cost(state, action, discs[t])

    def free(state, action, t):
        return torch.zeros(state.shape[:-1])

    def stepped(state, action, t):
        return dynamics(state, action)

    return MPPI(
        stepped,
        free if batched else stepwise,
        3,
        torch.diag(torch.tensor(scene.SIGMA) ** 2),
        num_samples=count,
        horizon=steps,
        terminal_state_cost=whole if batched else None,
        lambda_=scene.TEMPERATURE,
        u_min=low,
        u_max=high,
        step_dependent_dynamics=True,
    )


def main() -> None:
    arrays = np.load(sys.argv[1], allow_pickle=False)
    state = torch.from_numpy(arrays["state"])
    cases, broken = {}, {}
    for size in scene.SIZES:
        for name, batched, compiled in (
            ("stepwise", False, False),
            ("batched", True, False),
            ("batched+compile", True, True),
        ):
            torch.manual_seed(0)
            planner = controller(arrays, size, batched, compiled)

            def call(planner=planner):
                with torch.inference_mode():
                    return planner.command(state)

            try:
                call()
            except Exception as error:  # a compiler may be missing: say so, go on
                broken[f"{name}:{size}"] = f"{type(error).__name__}: {error}"[:200]
                continue
            cases[f"{name}:{size}"] = call
    import pytorch_mppi

    versions = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    versions["pytorch_mppi"] = getattr(pytorch_mppi, "__version__", "")
    scene.serve(cases, {"broken": broken, "versions": versions})


if __name__ == "__main__":
    main()
