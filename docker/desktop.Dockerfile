# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A desktop with an NVIDIA GPU (or none): ROS 2 Jazzy, PyTorch with CUDA, the node and RViz.
#   docker build -f docker/desktop.Dockerfile -t spatialgeo:desktop .
# docker/README.md has the commands to run it.

ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base

SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive

# CUDA's libraries come with PyTorch's wheels; the driver comes from the host.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics

WORKDIR /workspace
COPY package.xml src/spatialgeo_ros/
# hadolint ignore=DL3008
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src --rosdistro "$ROS_DISTRO" -y \
    && apt-get install -y --no-install-recommends python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*

# The system's NumPy and OpenCV stay: ROS's messages were compiled against that NumPy. Ubuntu 24.04 lets
# pip install into an environment only.
ARG TORCH=torch>=2.6
ARG TORCH_INDEX_URL=https://pypi.org/simple
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
