# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes one 1920x1080 image, best effort, for every number it hears: a camera on demand."""

import array

import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import UInt32

WIDTH, HEIGHT = 1920, 1080


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("large_image_publisher")
    publisher = node.create_publisher(Image, "large_image", qos_profile_sensor_data)
    image = Image(width=WIDTH, height=HEIGHT, encoding="bgr8", step=3 * WIDTH)
    image.data = array.array("B", bytes(3 * WIDTH * HEIGHT))

    def publish(request: UInt32) -> None:
        image.header.frame_id = str(request.data)
        publisher.publish(image)

    node.create_subscription(UInt32, "request", publish, 10)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        pass


main()
