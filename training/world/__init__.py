"""The drawn world: pictures drawn by code whose valence and arousal are known.

Place: training data, truth and evaluation of the embedded models. How: `scene` says what is in a
picture, `render` draws it, `captions` words it, `dataset` keeps many of them on disk.
"""
