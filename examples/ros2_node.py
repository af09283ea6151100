"""A ROS 2 node that runs the policy of an exported folder: ros2_node.py FOLDER. Needs rclpy, and no locoenvs.

Subscribes odom (Odometry: orientation, and velocities along the base's axes), joint_states, cmd_vel. Publishes joint_targets, an array of
position, stiffness and damping of every joint in the policy's order. Drives must damp by themselves when no targets come.
"""

import sys

import rclpy
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

sys.path.insert(0, sys.argv[1])
from runtime import Runtime  # noqa: E402  # the folder's own


class PolicyNode(Node):
    def __init__(self):
        super().__init__("policy")
        self.runtime, self.newest = Runtime(sys.argv[1], log="policy.log"), {"cmd_vel": Twist()}
        for kind, topic in ((Odometry, "odom"), (JointState, "joint_states"), (Twist, "cmd_vel")):
            self.create_subscription(kind, topic, lambda message, topic=topic: self.newest.update({topic: message}), 1)
        self.publisher = self.create_publisher(Float64MultiArray, "joint_targets", 1)
        self.create_timer(self.runtime.control_dt, self.on_time)

    def on_time(self):
        if len(self.newest) == 3:  # until all sensors are there no targets go out
            odom, joints, asked = (self.newest[topic] for topic in ("odom", "joint_states", "cmd_vel"))
            q, linear, angular = odom.pose.pose.orientation, odom.twist.twist.linear, odom.twist.twist.angular
            place = [joints.name.index(name) for name in self.runtime.joints]
            seen = {"base_linear_velocity": [linear.x, linear.y, linear.z]}
            seen["base_angular_velocity"] = [angular.x, angular.y, angular.z]
            seen["command"] = [asked.linear.x, asked.linear.y, asked.angular.z]
            down = [2 * (q.w * q.y - q.x * q.z), -2 * (q.w * q.x + q.y * q.z), 2 * (q.x**2 + q.y**2) - 1]
            seen |= {"projected_gravity": down, "joint_position": [joints.position[index] for index in place]}
            seen["joint_velocity"] = [joints.velocity[index] for index in place]
            read = min(each.header.stamp.sec + 1e-9 * each.header.stamp.nanosec for each in (odom, joints))
            targets = self.runtime.step(read, seen, self.get_clock().now().nanoseconds * 1e-9)
            self.publisher.publish(Float64MultiArray(data=[*targets.position, *targets.stiffness, *targets.damping]))


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(PolicyNode())
