"""What SKRL's environments on torch and on JAX have in common: the spaces, and how a step of ours is told in SKRL's terms."""

from __future__ import annotations

from typing import Any

import gymnasium


class Face:
    """The part of SKRL's environment that does not depend on the array library. Goes before SKRL's ``Wrapper``.

    The critic's group of a privileged environment is SKRL's state.
    """

    _env: Any  # a LocoVectorEnv
    _observation: Any
    _state: Any

    @property
    def observation_space(self) -> gymnasium.Space:
        """What the policy sees of one robot."""
        space = self._env.single_observation_space
        return space["policy"] if self._env.privileged else space

    @property
    def state_space(self) -> gymnasium.Space | None:
        """What the critic sees of one robot, if the environment is privileged."""
        return self._env.single_observation_space["critic"] if self._env.privileged else None

    @property
    def action_space(self) -> gymnasium.Space:
        """The actions of one robot."""
        return self._env.single_action_space

    def reset(self) -> tuple[Any, dict[str, Any]]:
        """The current observation: new episodes begin by themselves, the first ones when this was made."""
        return self._observation, {}

    def resume(self, observation: Any) -> None:
        """Go on from ``observation``, which ``env.restore()`` returned."""
        self._observation, self._state = self._split(observation)

    def state(self) -> Any:
        """What the critic sees now, if the environment is privileged; None otherwise."""
        return self._state

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """A picture, if the environment was made with a render mode."""
        return self._env.render()

    def close(self) -> None:
        """Free what the engine holds."""
        self._env.close()

    def _array(self, value: Any) -> Any:
        """``value`` as an array of the agent's library, where the agent wants it."""
        raise NotImplementedError

    def _split(self, observation: Any) -> tuple[Any, Any]:
        """What the policy sees, and what the critic sees or None."""
        if isinstance(observation, dict):
            return self._array(observation["policy"]), self._array(observation["critic"])
        return self._array(observation), None

    def _infos(self, info: dict[str, Any]) -> dict[str, Any]:
        """SKRL's ``infos`` of our ``info``: the final observations and states, valid where done, reasons and terms."""
        final, final_state = self._split(info["final_obs"])
        infos = {
            "final_observations": final,
            "reset_reason": info["reset_reason"],
            "reward_terms": info["reward_terms"],
        }
        return infos if final_state is None else {**infos, "final_states": final_state}


def spaces(env: Any) -> dict[str, Any]:
    """What SKRL's models and agents ask for about ``env``, as keyword arguments."""
    return {
        "observation_space": env.observation_space,
        "state_space": env.state_space,
        "action_space": env.action_space,
        "device": env.device,
    }
