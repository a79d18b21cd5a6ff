# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A Jetson: JetPack 6 (Orin; Ubuntu 22.04, ROS 2 Humble) or JetPack 7 (Thor, and Orin from 7.2; Ubuntu
# 24.04, ROS 2 Jazzy). Build it on the Jetson:
#   docker build -f docker/jetson.Dockerfile --build-arg JETPACK=6 -t spatialgeo:jetpack6 .
#   docker build -f docker/jetson.Dockerfile --build-arg JETPACK=7 -t spatialgeo:jetpack7 .
# docker/README.md has the commands to run it.

ARG JETPACK=6

# CUDA 12.6, cuDNN and TensorRT of JetPack 6. PyTorch for it is built by the Jetson AI Lab; from 2.9 on its
# wheels want a library (cudss) that JetPack 6 lacks.
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0 AS jetpack6
ENV ROS_DISTRO=humble \
    TORCH=torch==2.8.0 \
    TORCH_INDEX_URL=https://pypi.jetson-ai-lab.io/jp6/cu126

# JetPack 7 has no image of its own: it runs the CUDA 13 that servers with ARM processors run, and
# PyTorch's own wheels for these.
FROM nvcr.io/nvidia/cuda:13.0.1-runtime-ubuntu24.04 AS jetpack7
ENV ROS_DISTRO=jazzy \
    TORCH=torch>=2.9 \
    TORCH_INDEX_URL=https://download.pytorch.org/whl/cu130

# hadolint ignore=DL3006
FROM jetpack${JETPACK}

SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all

# ROS 2 from its own package server, without a desktop: RViz runs on another machine.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && curl -fsSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key \
        -o /usr/share/keyrings/ros-archive-keyring.gpg \
    && . /etc/os-release \
    && echo "deb [signed-by=/usr/share/keyrings/ros-archive-keyring.gpg] http://packages.ros.org/ros2/ubuntu $UBUNTU_CODENAME main" \
        > /etc/apt/sources.list.d/ros2.list \
    && apt-get update \
    && apt-get install -y --no-install-recommends build-essential python3-colcon-common-extensions \
        python3-dev python3-pip python3-rosdep python3-venv "ros-$ROS_DISTRO-ros-base" \
    && rosdep init \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /workspace
COPY package.xml src/spatialgeo_ros/
# hadolint ignore=DL3008
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src --rosdistro "$ROS_DISTRO" -y --skip-keys rviz2 \
    && rm -rf /var/lib/apt/lists/*

# The system's NumPy stays: ROS's messages were compiled against it. An environment, as Ubuntu 24.04 lets
# pip install into nothing else.
COPY docker/requirements.txt docker/
# hadolint ignore=DL3013
RUN python3 -m venv --system-site-packages /opt/venv \
    && python3 -c 'import numpy; print(f"numpy=={numpy.__version__}")' > docker/constraints.txt \
    && /opt/venv/bin/pip install --no-cache-dir -c docker/constraints.txt \
        --index-url "$TORCH_INDEX_URL" "$TORCH" \
    && /opt/venv/bin/pip install --no-cache-dir -c docker/constraints.txt -r docker/requirements.txt

COPY . src/spatialgeo_ros
RUN . "/opt/ros/$ROS_DISTRO/setup.bash" \
    && colcon build --packages-select spatialgeo_ros --cmake-args -DBUILD_TESTING=OFF \
    && rm -rf build log

# Models and engines outlive the container in volumes, which take over who owns these folders: engines that
# somebody else could write are refused.
ARG USER_ID=1000
ENV SPATIALGEO_MODELS=/models SPATIALGEO_ENGINES=/engines HOME=/tmp
RUN install -d -o "$USER_ID" /models /engines

COPY docker/entrypoint.sh /entrypoint.sh
USER ${USER_ID}
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "launch", "spatialgeo_ros", "spatialgeo.launch.py"]
