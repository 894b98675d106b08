"""One random frame of each of millions of videos: extraction, its shards, and reading them (Le et al. 2012)."""
