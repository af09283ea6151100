"""The MDP as pure functions of arrays: state, step, rewards, observations, commands, terrain, curriculum."""
