"""Runs OpenCompass itself on a shard, with the files, claims and records that native shards have.

The program of the job is ours and needs the standard library only, so it runs in OpenCompass's own virtualenv or image;
OpenCompass's task modules are its child.
"""
