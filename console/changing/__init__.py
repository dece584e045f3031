"""From a wish to a rollout: changes drafted, planned, confirmed, carried out, and taken up again."""
