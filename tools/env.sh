# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Source this in bash or zsh after `make setup`: Python, ROS 2, the workspace and the Fast DDS
# profile for camera images. Your ROS_DOMAIN_ID and discovery settings stay as they are.

_sg_root="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)"
if [ ! -f "$_sg_root/.venv/bin/activate" ]; then
  echo "spatialgeo_ros: not set up yet, run: make -C $_sg_root setup" >&2
  unset _sg_root
  return 1
fi
. "$_sg_root/.venv/bin/activate"
# Not the workspace's setup.bash: it would look for the setup files of the wheels, which have none.
for _sg_lib in "$_sg_root"/.venv/lib/python3*/site-packages; do _sg_site="$_sg_lib"; done
_sg_prefix="$_sg_root/install/spatialgeo_ros"
_sg_libs="$_sg_prefix/lib"
if [ -d "$_sg_site/rclpy" ]; then  # ROS 2 from PyPI; vision_msgs is built beside the package
  _sg_vision="$_sg_root/install/vision_msgs"
  _sg_libs="$_sg_libs:$_sg_vision/lib:$_sg_root/.venv/lib"
  for _sg_lib in "$_sg_site"/ros_*.libs; do _sg_libs="$_sg_libs:$_sg_lib"; done
  export AMENT_PREFIX_PATH="$_sg_prefix:$_sg_vision:$_sg_root/.venv"
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1  # else each Python starts itself a second time
else
  export AMENT_PREFIX_PATH="$_sg_prefix:$AMENT_PREFIX_PATH"
fi
export PATH="$_sg_prefix/bin:$PATH"
export LD_LIBRARY_PATH="$_sg_libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
for _sg_lib in "$_sg_prefix"/lib/python3*/site-packages "$_sg_prefix"/local/lib/python3*/dist-packages \
    "${_sg_vision:-$_sg_prefix}"/lib/python3*/site-packages; do
  [ -d "$_sg_lib" ] && export PYTHONPATH="$_sg_lib${PYTHONPATH:+:$PYTHONPATH}"
done
# Fast DDS 3 (Kilted, Lyrical) has another name for it than version 2 (Humble, Jazzy), and Kilted warns of
# the old one in every process.
_sg_dds=FASTRTPS
for _sg_lib in $(echo "$LD_LIBRARY_PATH" | tr ':' ' '); do
  [ -e "$_sg_lib/libfastdds.so" ] && _sg_dds=FASTDDS
done
export "${_sg_dds}_DEFAULT_PROFILES_FILE=$_sg_root/config/fastdds.xml"
unset _sg_dds _sg_root _sg_lib _sg_site _sg_prefix _sg_libs _sg_vision
