# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of a running node in the Rerun viewer (the optional extra ``view``).

Messages become entries by pure functions (``pictures``, ``scene``, ``lengths``, ``texts``);
``topics`` subscribes, ``session`` puts both together, and ``sink`` knows the viewer, the web page,
and the file.
"""
