"""Learning: losses, optimisers, schedules, the one loop, checkpoints, the planner."""
